#!/bin/sh
# deb: configure [old version]; rpm: 1 at the first installation, 2 at an upgrade.
set -e
data=/var/lib/pizzeria
made=
if ! getent passwd pizzeria >/dev/null; then
	useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin pizzeria
	made=yes
fi
# It stays as it is if it is there: with root.conf it belongs to root.
[ -d "$data" ] || install -d -o pizzeria -g pizzeria -m 0700 "$data"
# For the purge: a user that was there before is not this package's to delete.
if [ -n "$made" ]; then mkdir -p "$data/.made-user"; fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# Instances run on, and connections wait in the sockets.
	systemctl try-restart pizzeria.service
fi
