#!/bin/sh
# In a mount namespace of its own, make ROOT look like a container's and run a command there, as a user.
#   enter_root.sh ROOT USER:GROUP WORKDIR read-only|writable BIND...  -- COMMAND...
# BIND is SOURCE:TARGET, the target an absolute path below ROOT. Without a network of the host's, loopback is started.
set -eu
root=$1 user=$2 workdir=$3 mode=$4
shift 4

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
  mount --bind "${1%%:*}" "$root${1#*:}"
  shift
done
shift
if [ "$mode" = read-only ]; then
  mount -o remount,bind,ro "$root"
  mount -o remount,ro "$root/dev"
  ip link set lo up
fi
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
