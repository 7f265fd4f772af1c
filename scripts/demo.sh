# shellcheck shell=bash
# Shows that it works: pushes the sample app with the real git over SSH, and asks its URL.
# Needs say.sh, server.sh and keys.sh.

run_demo() {
    local work key
    work=$(mktemp -d)
    key=$(demo_key) || exit
    # A function's failure ends the script: the directory must go then, too.
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    push_sample "$work" "$key"
    ask_sample
    next_steps
}

# A private key that needs no passphrase, since a demo cannot ask for one: the person's own if it is like that.
demo_key() {
    local file key
    while read -r file; do
        key=${file%.pub}
        if ssh-keygen -y -P '' -f "$key" >/dev/null 2>&1; then
            printf '%s\n' "$key"
            return
        fi
    done < <(key_files)
    key=$ROOT/demo_key
    [ -e "$key" ] || ssh-keygen -q -t ed25519 -N '' -C demo -f "$key"
    add_key "$key.pub" >&2
    printf '%s\n' "$key"
}

push_sample() {
    local work=$1 key=$2 port
    port=$(listens_on ssh)
    port=${port##*:}
    cp -R "$SOURCES/tests/apps/hello" "$work/hello"
    step "Pushing the sample app: git push ssh://slipway@$(reach ssh):$port/hello main"
    # Only this script's own settings: the person's git may sign commits or rewrite URLs.
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    export GIT_SSH_COMMAND="ssh -F /dev/null -i '$key' -o IdentitiesOnly=yes -o BatchMode=yes \
        -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile='$work/known_hosts'"
    local git=(git -C "$work/hello" -c user.name=demo -c user.email=demo@localhost)
    git -C "$work/hello" init -q -b main
    "${git[@]}" add .
    "${git[@]}" commit -q -m 'A friendly line'
    # Forced, since each demo is a repository of its own and has no history in common with the one before.
    "${git[@]}" push --force "ssh://slipway@$(reach ssh):$port/hello" main ||
        fail "the push did not succeed" "see the 'remote:' lines above; 'slipway logs hello' shows what the app said"
}

ask_sample() {
    local url host port answer
    url=$(slipway urls hello | sed -n 1p)
    host=${url#*://}
    host=${host%%[:/]*}
    port=$(listens_on http)
    port=${port##*:}
    step "Asking $url"
    # The name may not lead here yet, so the address is given along with it.
    answer=$(curl -fsS --max-time 20 --resolve "$host:$port:$(reach http)" "http://$host:$port/") ||
        fail "$url does not answer" "see 'slipway logs hello' and 'slipway ps:report hello'"
    printf '\n%s\n%s\n\n' "$url" "$answer"
}

next_steps() {
    local port
    port=$(listens_on ssh)
    step "Now your own app, from its repository:"
    detail "git remote add slipway ssh://slipway@$(hostname):${port##*:}/blog"
    detail "git push slipway main"
}

# reach ssh|http: an address of this host at which that listener can be reached from here.
reach() {
    local address
    address=$(listens_on "$1")
    case ${address%:*} in
        0.0.0.0 | '[::]') printf '127.0.0.1\n' ;;
        *) printf '%s\n' "${address%:*}" ;;
    esac
}
