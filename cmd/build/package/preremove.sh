#!/bin/sh
# deb: remove, or upgrade <new version>; rpm: 0 at the removal, 1 at an upgrade.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now pizzeria.socket pizzeria.service || true
fi
# Instances outlive the server, but not the program that runs them.
data=/var/lib/pizzeria
if [ -e "$data/data/pizzeria.db" ]; then
	cd "$data"
	runuser -u "$(stat -c %U "$data")" -- /usr/bin/pizzeria down --data-dir "$data/data" || true
fi
