# Says what an install failed of. To be sourced.
# shellcheck shell=bash

explain_failure() {
    local log="$SCRATCH/log" address host
    explain_disagreement "$log"
    # The address that could not be had, and the first reason that is a status or an error of the network.
    local reason
    reason=$(grep --only-matching --extended-regexp --max-count 1 \
        'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ESOCKETTIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_[A-Z_]*|DEPTH_ZERO_SELF_SIGNED_CERT|\bE?40[1347]\b|\bE?429\b|\bE?50[0-4]\b|Not Found' "$log" | head -n 1) || true
    address=$(grep --extended-regexp --ignore-case 'error|ERR|failed|fail' "$log" \
        | grep --only-matching --perl-regexp 'https?://[^\s"'\'',)]+' | grep --invert-match --extended-regexp 'yarnpkg.com/en/|github.com/.*/issues|docs.npmjs.com' | sed 's/[:.]*$//' | head -n 1) || true
    if [ -n "$reason" ] && [ -n "$address" ]; then
        host=${address#*://} host=${host%%/*}
        fail "A package could not be fetched from $host: ${reason#E4}" "$address" "$(fetch_advice "$reason" "$host")"
    fi
    fail "The dependencies could not be installed" "What $MANAGER said is above; try it with: ${COMMAND[*]}"
}

# The lock file and package.json say different things.
explain_disagreement() {
    if grep --quiet --extended-regexp 'can only install packages when your package.json|Your lockfile needs to be updated|ERR_PNPM_OUTDATED_LOCKFILE|ERR_PNPM_LOCKFILE_CONFIG_MISMATCH|YN0028|cipm can only install' "$1"; then
        fail "$LOCK does not agree with package.json" "Run $MANAGER install and commit $LOCK"
    fi
}

fetch_advice() {
    case $1 in
        *401* | *403* | *407*) echo "Give the credentials for $2 in a config var that .npmrc names, e.g. //$2/:_authToken=\${NPM_TOKEN}" ;;
        *404* | 'Not Found') echo "Check the package's name and version, and that this registry has it" ;;
        *CERT* | UNABLE_TO*) echo "The certificate of $2 is not trusted: add its authority to build.ca_bundle" ;;
        *) echo "Check that this host can reach $2, then push again" ;;
    esac
}
