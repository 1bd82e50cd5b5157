#!/bin/bash
# deb.sh VERSION BUILD - BUILD/zabline_VERSION_ARCH.deb of what `make install` installs.  No root, no network.
# What is linked is found by dpkg-shlibdeps; what DPDK loads while it runs (its drivers) is in control.in.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1 build=$2
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/debian/zabline # where dpkg-shlibdeps looks for a package's files

make --no-print-directory install DESTDIR="$root" PREFIX=/usr SYSCONFDIR=/etc STRIP=strip >/dev/null

printf 'Source: zabline\n\nPackage: zabline\nArchitecture: any\n' >"$work/debian/control"
shlibs=$(cd "$work" && dpkg-shlibdeps -O -edebian/zabline/usr/bin/zabd -edebian/zabline/usr/bin/zabctl |
  sed -n 's/^shlibs:Depends=//p')
[ -n "$shlibs" ] || { echo "deb: no library found that zabd is linked to" >&2; exit 1; }
abi=$(sed -n 's/.*librte-eal\([0-9]*\).*/\1/p' <<<"$shlibs")
[ -n "$abi" ] || { echo "deb: zabd is not linked to Debian's DPDK: $shlibs" >&2; exit 1; }

gzip -9n "$root"/usr/share/man/man?/*
install -D -m 644 LICENSE "$root/usr/share/doc/zabline/copyright"
mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
  install -m 755 "config/debian/$script" "$root/DEBIAN/$script"
done
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@ABI@/$abi/g" -e "s/@SHLIBS@/$shlibs/" \
  -e "s/@SIZE@/$(du -sk "$root/usr" | cut -f1)/" config/debian/control.in >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

deb=$build/zabline_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$deb" >/dev/null
echo "$deb"
