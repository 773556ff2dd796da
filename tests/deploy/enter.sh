# Runs a command in a root folder, in mount namespace of its own:
# enter.sh ROOT ro|rw CWD COUNT INSIDE=OUTSIDE... COMMAND...
set -eu
root=$1 mode=$2 cwd=$3 count=$4
shift 4
mount --bind "$root" "$root"
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
if [ "$mode" = ro ]; then
    mount -o remount,bind,ro "$root"
fi
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$count" -gt 0 ]; do
    mount --bind "${1#*=}" "$root${1%%=*}"
    shift
    count=$((count - 1))
done
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$cwd" "$@"
