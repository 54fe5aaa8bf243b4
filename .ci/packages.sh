#!/usr/bin/env bash
# Programs that some tests want beside the agent, from Debian's packages. Installs those that are missing, where that is possible; where it
# is not, says so and goes on: each test that wants one passes over itself without it.
set -uo pipefail

# What is looked for in PATH, and the package that has it.
wanted=(
    chromium:chromium
    pebble:pebble
    ip:iproute2
    nft:nftables
    nginx:nginx
    varnishd:varnish
    haproxy:haproxy
    wrk:wrk
    h2load:nghttp2-client
)
# Where servers are, which not everybody looks through.
PATH=$PATH:/usr/sbin:/usr/local/sbin

missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "all are there"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
# The run level of maintenance: servers are installed and not started.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt() { timeout 300 "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=60 "$@" >/dev/null 2>&1; }
if ! command -v apt-get >/dev/null || ! apt update; then
    echo "passed over, this machine cannot install them: ${missing[*]}"
    exit 0
fi
# One by one: what one distribution lacks must not cost the others.
for package in "${missing[@]}"; do
    if apt install --yes --no-install-recommends "$package"; then
        echo "installed: $package"
    else
        echo "passed over, it cannot be installed here: $package"
    fi
done
