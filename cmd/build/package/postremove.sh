#!/bin/sh
# deb: remove, purge, upgrade ...; rpm: 0 at the removal, 1 at an upgrade. Only a purge takes the
# orgs' data, which RPM does not have.
set -e
case "$1" in
purge)
	made=
	if [ -d /var/lib/pizzeria/.made-user ]; then made=yes; fi # by postinstall.sh
	rm -rf /var/lib/pizzeria
	if [ -n "$made" ] && getent passwd pizzeria >/dev/null; then userdel pizzeria || true; fi
	;;
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
