#!/usr/bin/env python3
"""Beside the openai package: the model's name comes from Pointsman, the rest stays.

    python3 openai_style.py [SOCKET]

`chat` below has the shape of `openai.OpenAI().chat.completions.create`; put the real
one in its place. The decorator routes the call, measures its time, and reads the
token counts from the answer's `usage`.
"""

import sys
from types import SimpleNamespace

import pointsman

router = pointsman.Client(sys.argv[1] if len(sys.argv) > 1 else None, fallback="small")


def chat(model, messages):  # openai.OpenAI(base_url=...).chat.completions.create
    text = "four" if "2 + 2" in messages[-1]["content"] else "forty-two"
    return SimpleNamespace(
        model=model,
        choices=[SimpleNamespace(message=SimpleNamespace(content=text))],
        usage=SimpleNamespace(prompt_tokens=12, completion_tokens=3),
    )


@router.routed(preset="balanced")
def answer(question, decision):
    reply = chat(model=decision.model, messages=[{"role": "user", "content": question}])
    reply.decision = decision  # keep the token: the user's thumb comes later
    return reply


reply = answer("What is 2 + 2?")
print(reply.model, "says", reply.choices[0].message.content)

# Minutes later, when the user pressed the thumb:
ack = router.rate(reply.decision, 1, source="thumbs", subject="user-17")
print("rating stored:", ack.durability)
