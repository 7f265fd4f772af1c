# What apps run on: Debian 12 with what nearly every app needs, and a user of its own.
FROM debian:bookworm-slim
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq upgrade --yes >/dev/null \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
    ca-certificates curl libffi8 libgmp10 libmariadb3 libpq5 libssl3 libyaml-0-2 netbase openssl procps tzdata zlib1g >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
RUN useradd --uid 1000 --user-group --home-dir /app --shell /bin/bash app && install -d -o app -g app /app
ENV HOME=/app LANG=C.UTF-8 STACK=slipway-12
WORKDIR /app
