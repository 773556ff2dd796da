#!/bin/sh
# opsd promotion gates under its contract name (contract 90, A).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='promotion gates'
. "${self%/*}/lib/opsd-door.sh"
