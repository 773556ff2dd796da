#!/bin/sh
# opsd service-client under its contract name (contract 30, 5).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command=service-client
. "${self%/*}/lib/opsd-door.sh"
