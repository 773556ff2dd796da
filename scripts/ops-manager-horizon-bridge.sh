#!/bin/sh
# opsd horizon-bridge under its contract name (contract 97).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=horizon-bridge
. "${self%/*}/lib/opsd-door.sh"
