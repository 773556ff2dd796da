# Boots systemd in a root folder, in namespaces of its own: boot.sh ROOT CGROUP CONSOLE
# Only the units that an installation needs are there, so that nothing of this machine is started or set again.
set -eu
if [ "${4:-}" != inside ]; then
    echo $$ >"$2/cgroup.procs"
    exec unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --net --cgroup \
        /bin/sh "$0" "$1" "$2" "$3" inside
fi
root=$1 console=$3
mount --bind "$root" "$root"
mount --bind /usr "$root/usr"
units=$root/run/units
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$units"
for name in basic sysinit multi-user network-online network shutdown umount final sockets timers paths slices; do
    cp "/usr/lib/systemd/system/$name.target" "$units/"
done
mount --bind "$units" "$root/usr/lib/systemd/system"
for name in system-generators system-environment-generators user-generators; do
    if [ -d "$root/usr/lib/systemd/$name" ]; then
        mount -t tmpfs -o ro tmpfs "$root/usr/lib/systemd/$name"
    fi
done
mount -o remount,bind,ro "$root/usr"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -d /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    # systemd would mount the controllers too, and begin at the top of this machine's hierarchies.
    mount -o remount,ro "$root/sys/fs/cgroup"
    mount --bind /dev/null "$root/proc/cgroups"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
: >"$root/dev/console"
mount --bind "$console" "$root/dev/console"
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
cd "$root"
mkdir -p mnt/old
pivot_root . mnt/old
umount -l /mnt/old
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --system --unit=multi-user.target \
    --log-target=console --log-color=no --show-status=no </dev/null
