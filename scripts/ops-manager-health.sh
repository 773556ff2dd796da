#!/bin/sh
# opsd health under its contract name (contract 20, 5).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=health
. "${self%/*}/lib/opsd-door.sh"
