# What apps are built on: the run image, with compilers, headers and what fetches sources.
FROM slipway/stack-run
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
    autoconf automake build-essential bzip2 file git iproute2 jq libffi-dev libgmp-dev libmariadb-dev libpq-dev \
    libssl-dev libtool libyaml-dev openssh-client patch pkg-config python3 rsync unzip wget xz-utils zip zlib1g-dev zstd >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
