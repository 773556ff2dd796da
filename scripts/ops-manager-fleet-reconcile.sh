#!/bin/sh
# opsd fleet reconcile under its contract name (contract 60, 3).
self=$0
[ ! -h "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
opsd_command='fleet reconcile'
. "${self%/*}/lib/opsd-door.sh"
