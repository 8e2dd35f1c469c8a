#!/bin/sh
# Installs jumpserver-video from its .tar.gz, without a package manager: program
# and ffmpeg below the prefix, unit, user and settings. To upgrade, run install.sh
# of the newer .tar.gz; settings and data are kept.
#   ./install.sh [--prefix /usr/local]    install or upgrade; as root
#   ./install.sh --uninstall              remove what was installed; settings and data are kept
set -eu
prefix=/usr/local uninstall=
while [ $# -gt 0 ]; do
  case "$1" in
  --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
  --uninstall) uninstall=yes; shift ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
  esac
done
fail() { echo "install.sh: $*" >&2; exit 1; }
case "$prefix" in /*) ;; *) fail "--prefix needs an absolute path, not $prefix" ;; esac
[ "$(id -u)" = 0 ] || fail "must be root"
# The folder for the unit. Without systemd, the unit is installed but not started.
UNITS=${UNITS:-/etc/systemd/system}
unit=$UNITS/jumpserver-video.service
config=/etc/jumpserver-video/config.txt
user=jumpserver-video
systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

if [ -n "$uninstall" ]; then
  if systemd; then systemctl disable --now jumpserver-video.service 2>/dev/null || true; fi
  rm -f "$prefix/bin/jumpserver-video" "$unit" "$prefix"/share/man/man1/jumpserver-video*.1.gz \
    "$prefix/share/bash-completion/completions/jumpserver-video" "$prefix/share/zsh/site-functions/_jumpserver-video" \
    "$prefix/share/fish/vendor_completions.d/jumpserver-video.fish"
  rm -rf "$prefix/lib/jumpserver-video" "$prefix/share/jumpserver-video" "$prefix/share/doc/jumpserver-video"
  if systemd; then systemctl daemon-reload; fi
  echo "jumpserver-video was removed. $config, /opt/video-worker/data and the user $user stay. Originals stay in the folder"
  echo "  .jumpserver-video-trash of the replay folder, and are no longer deleted after some days: see docs/uninstall.md"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
[ "$prefix" = /usr ] || [ ! -e /usr/bin/jumpserver-video ] || fail "a package of jumpserver-video is installed; upgrade or remove that package"
"$here/bin/jumpserver-video" --version >/dev/null || fail "this archive is for a processor other than $(uname -m)"

# put MODE FILE TARGET installs a file atomically, also while the old program runs.
put() {
  mkdir -p "$(dirname "$3")"
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}
put 0755 "$here/bin/jumpserver-video" "$prefix/bin/jumpserver-video"
for tool in ffmpeg ffprobe; do put 0755 "$here/lib/jumpserver-video/$tool" "$prefix/lib/jumpserver-video/$tool"; done
for page in "$here"/share/man/man1/*; do put 0644 "$page" "$prefix/share/man/man1/$(basename "$page")"; done
put 0644 "$here/share/completion/bash" "$prefix/share/bash-completion/completions/jumpserver-video"
put 0644 "$here/share/completion/zsh" "$prefix/share/zsh/site-functions/_jumpserver-video"
put 0644 "$here/share/completion/fish" "$prefix/share/fish/vendor_completions.d/jumpserver-video.fish"
rm -rf "$prefix/share/doc/jumpserver-video"
mkdir -p "$prefix/share/doc"
cp -R "$here/share/doc" "$prefix/share/doc/jumpserver-video"

if ! grep -q "^$user:" /etc/group; then
  if command -v groupadd >/dev/null; then groupadd --system "$user"; else addgroup -S "$user"; fi || fail "the group $user cannot be created"
fi
if ! grep -q "^$user:" /etc/passwd; then
  if command -v useradd >/dev/null; then
    useradd --system --gid "$user" --home-dir /opt/video-worker --no-create-home --shell /sbin/nologin "$user"
  else
    adduser -S -D -H -G "$user" -h /opt/video-worker -s /sbin/nologin "$user"
  fi || fail "the user $user cannot be created"
fi
mkdir -p /opt/video-worker/data "$(dirname "$config")"
chown "$user:$user" /opt/video-worker/data
chmod 0750 /opt/video-worker/data
# config.txt holds the registration secret.
first=
[ -e "$config" ] || { put 0640 "$here/etc/config.txt" "$config"; first=yes; }
chown ":$user" "$config"
chmod 0640 "$config"

sed "s,^ExecStart=/usr/bin/,ExecStart=$prefix/bin/," "$here/etc/jumpserver-video.service" >"$here/etc/.unit"
put 0644 "$here/etc/.unit" "$unit"
put 0644 "$here/etc/rights.conf" "$prefix/share/jumpserver-video/rights.conf"
rm -f "$here/etc/.unit"
if systemd; then
  systemctl daemon-reload
  systemctl try-restart jumpserver-video.service
fi
"$prefix/bin/jumpserver-video" --version | sed 's/^/installed: /'
if [ -n "$first" ]; then
  echo "jumpserver-video: set CORE_HOST and BOOTSTRAP_TOKEN in $config, then"
  echo "  systemctl enable --now jumpserver-video"
fi
