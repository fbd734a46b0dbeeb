"""Ask pointsmand which model should answer, and tell it what came of it.

    import pointsman

    with pointsman.Client() as router:
        decision = router.route("What is 2 + 2?", preset="balanced")
        answer = call_your_model(decision.model, "What is 2 + 2?")
        router.outcome(decision, tokens_out=12, latency_ms=340)
        router.rate(decision, 1, source="thumbs", subject="alice")

or, around the function that calls the model:

    @router.routed(preset="balanced")
    def answer(query, decision):
        return client.chat.completions.create(model=decision.model, messages=[...])

Standard library only. One Client per thread: it holds one connection and one request
is in flight. It connects when it is first used, and again after a failure.
"""

import base64
import functools
import os
import socket
import time

from . import wire

__all__ = ["Client", "Decision", "Ack", "PointsmanError", "Unavailable", "token_bytes", "token_text"]

DEFAULT_SOCKET = "/run/pointsman/route.sock"
REPLY_BYTES_MAX = 4 << 20
DURABILITY = ("none", "process", "synced")
VERDICTS = {"": 0, "too_weak": 1, "too_costly": 2, "failed": 3}
CODES = (
    "OK DUPLICATE_OK INVALID_ARGUMENT OUT_OF_RANGE NOT_FOUND EXPIRED PERMISSION_DENIED CONFLICT "
    "FAILED_PRECONDITION BUSY RESOURCE_EXHAUSTED UNAVAILABLE DEADLINE_EXCEEDED DATA_LOSS INTERNAL"
).split()


class PointsmanError(Exception):
    """The daemon refused. `code` and `reason` are for programs, the text is for people."""

    def __init__(self, code, reason, message, retry_after_ms=0):
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class Unavailable(PointsmanError):
    """Nobody answers, or not in time. The request may be repeated as it is."""


def token_text(token):
    """32 bytes -> "d1_..."."""
    return "d1_" + base64.b32encode(token).decode().rstrip("=").lower()


def token_bytes(text):
    """ "d1_..." -> 32 bytes."""
    if not text.startswith("d1_") or len(text) != 55:
        raise ValueError("a token looks like d1_ and 52 letters and digits")
    return base64.b32decode(text[3:].upper() + "====")


class Decision:
    """An answered route request. Every field of wire.RouteReply is an attribute."""

    __slots__ = ("token", "tenant", "_reply", "_payload")

    def __init__(self, payload, tenant):
        self._payload = payload
        self._reply = None
        self.tenant = tenant
        self.token = self.token_raw and token_text(self.token_raw)

    @property
    def reply(self):
        """The whole reply as a dictionary; decoded when it is first wanted."""
        if self._reply is None:
            self._reply = _decoded(wire.ROUTE_REPLY, self._payload)
        return self._reply

    @property
    def token_raw(self):
        # The token is the first field of a reply: 0a 20 and its 32 bytes.
        if self._payload[:2] == b"\x0a\x20":
            return self._payload[2:34]
        return self.reply["token"]

    @property
    def model(self):
        # Likewise the second field, right after the token; what most callers want.
        payload = self._payload
        if payload[:2] == b"\x0a\x20" and payload[34:35] == b"\x12" and payload[35] < 128:
            return payload[36 : 36 + payload[35]].decode()
        return self.reply["model"]

    def __getattr__(self, name):
        try:
            return self.reply[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self):
        return "Decision(model=%r, token=%r)" % (self.model, self.token)


class Ack:
    """What was stored: `duplicate`, the event's `sequence`, and how safe it is."""

    __slots__ = ("duplicate", "sequence", "durability")

    def __init__(self, reply):
        self.duplicate = reply["code"] == 1
        self.sequence = reply["sequence"]
        self.durability = DURABILITY[reply["durability"]]

    def __repr__(self):
        return "Ack(sequence=%d, durability=%r, duplicate=%r)" % (self.sequence, self.durability, self.duplicate)


class Client:
    """A connection to the route socket.

    path      the socket; default $POINTSMAN_SOCKET or /run/pointsman/route.sock
    timeout   seconds that one call may take
    fallback  a model's name: when the daemon cannot be reached, route() answers with
              it instead of raising, and feedback on that answer is dropped. So a
              service goes on without its router. Default: raise Unavailable.
    """

    def __init__(self, path=None, timeout=5.0, fallback=None):
        self.path = path or os.environ.get("POINTSMAN_SOCKET") or DEFAULT_SOCKET
        self.timeout = timeout
        self.fallback = fallback
        self._socket = None
        self._correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # ---- requests ----

    def route(self, text=None, *, embedding=None, preset=None, weights=None, allowed=None, cost_cap_usd=0.0,
              quality_floor=0.0, tokens_in=0, no_explore=False, tenant="", explain=0, candidates_max=0,
              latency_cap_ms=0.0, incumbent="", switch_cost=0.0, observed=""):
        """Which model should answer. `weights`: (quality, cost); `allowed`: names. In a conversation `incumbent` is
        the model so far, and another must gain more utility than `switch_cost`. `observed`: you use that model, and
        the decision's `advised` says what would have been played."""
        request = _route(text, embedding, preset, weights, allowed, cost_cap_usd, quality_floor, tokens_in, no_explore,
                         tenant, explain, candidates_max, latency_cap_ms, incumbent, switch_cost, observed)
        try:
            return Decision(self._exchange(1, wire.encode(wire.ROUTE, request)), tenant)
        except Unavailable:
            if self.fallback is None:
                raise
            stand_in = wire.encode(wire.ROUTE_REPLY, {"model": self.fallback, "forced": True})
            return Decision(stand_in, tenant)

    def route_batch(self, texts, **options):
        """One Decision or PointsmanError for each of 1 to 256 texts."""
        tenant = options.get("tenant", "")
        request = {"routes": [_route(text, **options) for text in texts]}
        reply = self._call("RouteBatch", request)
        out = []
        for item in reply["items"]:
            if item["error"] is not None:
                out.append(_error(item["error"]))
            else:
                out.append(Decision(wire.encode(wire.ROUTE_REPLY, item["reply"]), tenant))
        return out

    def outcome(self, decision, *, tokens_in=0, tokens_out=0, latency_ms=0.0, failed=False, verdict="", cost_usd=None,
                revision=0):
        """What the call cost. `verdict`: "", "too_weak", "too_costly" or "failed"."""
        return self._feedback("Outcome", decision, {
            "tokens_in": tokens_in, "tokens_out": tokens_out, "latency_ms": latency_ms, "failed": failed,
            "verdict": VERDICTS[verdict], "cost_usd": cost_usd, "revision": revision,
        })

    def rate(self, decision, value, *, source, subject="", revision=0):
        """A rating in [0, 1] from a source that the configuration names."""
        return self._feedback("Rate", decision, {
            "source": source, "value": float(value), "subject": subject, "revision": revision,
        })

    def gold(self, decision, value, *, revision=0):
        """A trusted label in [0, 1]; only permitted users."""
        return self._feedback("Gold", decision, {"value": float(value), "revision": revision})

    def prefer(self, winner, loser, *, source, tie=False, subject="", revision=0):
        """The winner's answer was better than the loser's; tie: they were equal."""
        first, tenant = _token(winner)
        second, _ = _token(loser)
        if not first or not second:
            return None
        return Ack(self._call("Prefer", {
            "winner": first, "loser": second, "tie": tie, "source": source, "subject": subject, "revision": revision,
            "tenant": tenant,
        }))

    def retract(self, decision, *, source, subject="", revision=1):
        """Takes back what `subject` said through `source` ("gold": the label)."""
        return self._feedback("Retract", decision, {"source": source, "subject": subject, "revision": revision})

    def vote(self, decision, answers, *, kind=""):
        """Which of several answers speaks for most. `answers`: texts, or (text, model) pairs."""
        token, tenant = _token(decision)
        listed = [{"text": a} if isinstance(a, str) else {"text": a[0], "model": a[1]} for a in answers]
        return self._call("Vote", {"token": token, "answers": listed, "kind": kind, "tenant": tenant})

    def status(self):
        return self._call("Status", {})

    def ping(self, payload=b""):
        return self._call("Ping", {"payload": payload})["payload"]

    def routed(self, query=None, **options):
        """A decorator: routes the call and reports its outcome.

        The function gets the decision as its keyword argument `decision`. The query is
        its first argument, or what `query(*args, **kwargs)` makes of them. Latency is
        measured; an exception is reported as a failure and goes on; token counts are
        read from the answer's `usage` (attributes or keys, as OpenAI names them).
        Feedback that fails never breaks the call.
        """

        def wrap(function):
            @functools.wraps(function)
            def call(*args, **kwargs):
                text = query(*args, **kwargs) if query is not None else args[0]
                decision = self.route(text, **options)
                start = time.perf_counter()
                try:
                    answer = function(*args, decision=decision, **kwargs)
                except BaseException:
                    self._report(decision, start, failed=True)
                    raise
                self._report(decision, start, **_usage(answer))
                return answer

            return call

        return wrap

    # ---- inside ----

    def _report(self, decision, start, **what):
        try:
            self.outcome(decision, latency_ms=(time.perf_counter() - start) * 1e3, **what)
        except PointsmanError:
            pass

    def _feedback(self, name, decision, fields):
        token, tenant = _token(decision)
        if not token:  # a stand-in of `fallback`: there is no decision to report on
            return None
        fields["token"] = token
        fields["tenant"] = tenant
        return Ack(self._call(name, fields))

    def _call(self, name, message):
        kind, fields, reply = wire.REQUESTS[name]
        return _decoded(reply, self._exchange(kind, wire.encode(fields, message)))

    def _connect(self):
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(self.timeout)
        try:
            stream.connect(self.path)
        except OSError as error:
            stream.close()
            raise Unavailable("UNAVAILABLE", "not_reachable",
                              "cannot connect to %s: %s; is pointsmand running, and may this user use the socket?"
                              % (self.path, error.strerror or error)) from None
        self._socket = stream

    def _exchange(self, kind, payload):
        reused = self._socket is not None
        try:
            return self._try(kind, payload)
        except Unavailable as error:
            # The daemon was restarted since the last call: its end of the line is gone.
            # Repeating is safe: feedback is stored once.
            if not reused or error.reason != "connection_lost":
                raise
        return self._try(kind, payload)

    def _try(self, kind, payload):
        if self._socket is None:
            self._connect()
        self._correlation += 1
        try:
            self._socket.sendall(wire.frame(kind, self._correlation, payload))
            return self._receive(kind, self._correlation)
        except socket.timeout:
            self.close()
            raise Unavailable("DEADLINE_EXCEEDED", "timeout",
                              "no complete answer within %g s; repeat the request" % self.timeout) from None
        except OSError as error:
            self.close()
            raise Unavailable("UNAVAILABLE", "connection_lost", "the connection broke: %s" % error) from None

    def _receive(self, kind, correlation):
        while True:
            data = self._socket.recv(65536)
            while len(data) < 16:
                data += self._more()
            length, version, answered, flags, about = wire.HEADER.unpack_from(data)
            if version != wire.VERSION or flags != 0 or length > REPLY_BYTES_MAX:
                self.close()
                raise PointsmanError("INTERNAL", "bad_reply", "the answer is no frame of version 1; is this pointsmand's socket?")
            while len(data) < 16 + length:
                data += self._more()
            if len(data) > 16 + length:  # nothing else is in flight
                self.close()
                raise PointsmanError("INTERNAL", "bad_reply", "more came than was asked for")
            payload = data[16:]
            if answered == wire.ERROR_KIND:
                error = _decoded(wire.ERROR, payload)
                if about == 0:  # about the connection, which the daemon closes
                    self.close()
                raise _error(error)
            if about == correlation and answered == kind + 128:
                return payload
            self.close()
            raise PointsmanError("INTERNAL", "bad_reply", "the answer does not belong to the request")

    def _more(self):
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("the daemon closed the connection")
        return piece


def _route(text=None, embedding=None, preset=None, weights=None, allowed=None, cost_cap_usd=0.0, quality_floor=0.0,
           tokens_in=0, no_explore=False, tenant="", explain=0, candidates_max=0, latency_cap_ms=0.0, incumbent="",
           switch_cost=0.0, observed=""):
    request = {}
    if text:
        request["text"] = text
    if embedding is not None:
        request["embedding"] = list(embedding)
    if preset:
        request["preset"] = preset
    if weights is not None:
        request["weights"] = {"quality": weights[0], "cost": weights[1]}
    if allowed:
        request["allowed"] = list(allowed)
    if cost_cap_usd:
        request["cost_cap_usd"] = cost_cap_usd
    if quality_floor:
        request["quality_floor"] = quality_floor
    if tokens_in:
        request["tokens_in"] = tokens_in
    if no_explore:
        request["no_explore"] = True
    if tenant:
        request["tenant"] = tenant
    if explain:
        request["explain"] = explain
    if candidates_max:
        request["candidates_max"] = candidates_max
    if latency_cap_ms:
        request["latency_cap_ms"] = latency_cap_ms
    if incumbent:
        request["incumbent"] = incumbent
    if switch_cost:
        request["switch_cost"] = switch_cost
    if observed:
        request["observed"] = observed
    return request


def _decoded(fields, payload):
    try:
        return wire.decode(fields, payload)
    except ValueError as error:
        raise PointsmanError("INTERNAL", "bad_reply", str(error)) from None


def _error(reply):
    code = CODES[reply["code"]] if reply["code"] < len(CODES) else "INTERNAL"
    return PointsmanError(code, reply["reason"], reply["message"], reply["retry_after_ms"])


def _token(decision):
    if isinstance(decision, Decision):
        return decision.token_raw, decision.tenant
    if isinstance(decision, str):
        return token_bytes(decision), ""
    return bytes(decision), ""


def _usage(answer):
    """Token counts of an answer in OpenAI's shape; nothing where there are none."""
    usage = answer.get("usage") if isinstance(answer, dict) else getattr(answer, "usage", None)
    if usage is None:
        return {}
    take = usage.get if isinstance(usage, dict) else lambda name, default: getattr(usage, name, default)
    return {
        "tokens_in": take("prompt_tokens", 0) or take("input_tokens", 0) or 0,
        "tokens_out": take("completion_tokens", 0) or take("output_tokens", 0) or 0,
    }
