#!/bin/sh
# deb: remove, purge, upgrade ...; rpm: 0 at the removal, 1 at an upgrade. Only a purge takes the
# orgs' data, which RPM does not have.
set -e
case "$1" in
purge)
	rm -rf /var/lib/pizzeria
	if getent passwd pizzeria >/dev/null; then userdel pizzeria || true; fi
	;;
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
