#!/usr/bin/env bash
# The ten-minute path in a fresh Debian 12 root: install, start, use, upgrade with
# data, remove, purge; with times. Needs root, debootstrap and a Debian mirror.
#   packaging/check.sh build/package/pointsman_0.1.0_amd64.deb
set -euo pipefail
deb=$(readlink -f "${1:?which package?}")
[ "$(id -u)" -eq 0 ] || { echo "check: needs root for chroot" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "check: no debootstrap on this machine: apt-get install debootstrap" >&2; exit 77; }
root=$(mktemp -d)
chmod 0755 "$root"
daemon=
began=$SECONDS
note() { echo "== $* ($((SECONDS - began)) s)"; }
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
cleanup() {
  [ -n "$daemon" ] && kill "$daemon" 2>/dev/null || true
  for place in dev/null proc; do umount -l "$root/$place" 2>/dev/null || true; done
  rm -rf "$root"
}
trap cleanup EXIT

mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' \
  /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -1 || true)
note "a fresh Debian 12 root"
debootstrap --variant=minbase --include=ca-certificates,python3-minimal bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 ||
  { tail -5 "$root.log"; exit 1; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
cp "$deb" "$root/pointsman.deb"

note "install"
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends /pointsman.deb >/dev/null
inside pointsman --version
inside test -e /lib/systemd/system/pointsmand.service
inside test -e /usr/share/man/man1/pointsman.1.gz
inside bash -n /usr/share/bash-completion/completions/pointsman
inside pointsman config check /etc/pointsman/pointsman.toml
[ "$(inside stat -c %U:%a /var/lib/pointsman)" = pointsmand:700 ]

start() {
  inside install -d -m 0755 -o pointsmand -g pointsmand /run/pointsman
  chroot --userspec=pointsmand:pointsmand --groups=pointsmand-clients "$root" /usr/sbin/pointsmand 2>>"$root/daemon.log" &
  daemon=$!
  for _ in $(seq 200); do
    inside pointsman ping >/dev/null 2>&1 && return 0
    read -rt 0.1 <> <(:) || true
  done
  cat "$root/daemon.log"; return 1
}
stop() { kill "$daemon"; wait "$daemon"; daemon=; }

note "start, as its own user"
start
note "the tutorial's commands"
inside pointsman models add small --input-price 0.15 --output-price 0.60 >/dev/null
inside pointsman models add coder --input-price 0.40 --output-price 1.20 >/dev/null
inside pointsman models add large --input-price 5 --output-price 15 >/dev/null
inside pointsman bootstrap run --table /usr/share/pointsman/examples/answers.jsonl.gz --wait
token=$(inside pointsman route "Write a python function that sorts a list of words" --json | sed 's/.*"token":"\([^"]*\)".*/\1/')
inside pointsman outcome "$token" --tokens-out 180 --latency-ms 900
inside pointsman rate "$token" 1 --source thumbs --subject alice
inside pointsman gold "$token" 1
inside python3 -c 'import pointsman; print(pointsman.Client().route("hello").model)'
inside pointsman rollout canary --share 0.1 --incumbent large
# A user of the group may ask and rate, and not administer.
inside useradd -m -G pointsmand-clients visitor
visitor() { chroot --userspec=visitor:visitor --groups=pointsmand-clients "$root" env PATH=/usr/bin:/bin "$@"; }
visitor pointsman route "hello" --json >/dev/null
code=0
visitor pointsman freeze >/dev/null 2>"$root/refused" || code=$?
[ "$code" = 77 ] || { cat "$root/refused"; exit 1; }
inside timeout 5 pointsman dashboard >"$root/link" 2>/dev/null || true
grep -q '^http://127.0.0.1:' "$root/link"
inside pointsman doctor || true
note "a service that learns, from nothing, in $((SECONDS - began)) s"

note "upgrade with data"
before=$(inside pointsman status --json | sed 's/.*"ratings":\([0-9]*\).*/\1/')
stop
inside sh -c 'echo "# kept by the administrator" >> /etc/pointsman/pointsman.toml'
# The same files under the next version: what dpkg does is then an upgrade.
dpkg-deb -R "$deb" "$root/next"
sed -i 's/^Version: \(.*\)/Version: \1+next/' "$root/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$root/next" "$root/next.deb" >/dev/null
inside apt-get install -y -qq /next.deb >/dev/null
inside dpkg-query -W -f '${Version}' pointsman | grep -q '+next$'
inside grep -q "kept by the administrator" /etc/pointsman/pointsman.toml
start
[ "$(inside pointsman status --json | sed 's/.*"ratings":\([0-9]*\).*/\1/')" = "$before" ]
[ "$before" = 1 ]
stop

note "remove keeps the data, purge takes it"
inside install -d -o pointsmand /var/lib/pointsman-plans/first  # as a plan would have
inside apt-get remove -y -qq pointsman >/dev/null
inside test -d /var/lib/pointsman
inside apt-get purge -y -qq pointsman >/dev/null
left=$(inside sh -c 'ls -d /var/lib/pointsman /var/lib/pointsman-plans /etc/pointsman /usr/share/pointsman /usr/lib/python3/dist-packages/pointsman 2>/dev/null' || true)
[ -z "$left" ] || { echo "check: purge left $left"; exit 1; }
note "done"
