# Chooses a JDK and brings it. To be sourced after common.sh.
#
# Debian's JDK comes as a package (bin/packages). Others are Eclipse Temurin, from Adoptium's API, into the cache, with
# their JRE in the slug.
# shellcheck shell=bash

DEBIAN_JAVA=17
# The versions that are supported for years: one of them is taken where any will do.
JAVA_LONG_TERM=(17 21 25)

# The major version to take: what system.properties or Gradle's toolchain names, or one that can compile for what the
# source is written for; Debian's if nothing is said.
java_major() {
    local build=$1 major least candidate
    major=$(java_properties "$build")
    [ -n "$major" ] || major=$(in_gradle_files "$build" 's/.*(JavaLanguageVersion\.of|jvmToolchain)\(([0-9]+)\).*/\2/p')
    if [ -n "$major" ]; then
        echo "${major%%$'\n'*}"
        return
    fi
    least=$(java_level "$build" | sed 's/^1\.//' | sort --numeric-sort)
    least=${least##*$'\n'}
    for candidate in "${JAVA_LONG_TERM[@]}"; do
        [ "${least:-0}" -gt "$candidate" ] || { echo "$candidate" && return; }
    done
    echo "$least"
}

# The major version in system.properties: 17, 17.0.9, 1.8.0_392 and openjdk-17 are all written there.
java_properties() {
    [ ! -f "$1/system.properties" ] || sed --quiet --regexp-extended \
        's/^[ \t]*java\.runtime\.version[ \t]*[=:][ \t]*([a-z]+-)?(1\.)?([0-9]+).*/\3/p' "$1/system.properties"
}

in_gradle_files() {
    local file
    for file in "$1"/build.gradle "$1"/build.gradle.kts "$1"/app/build.gradle "$1"/app/build.gradle.kts; do
        [ ! -f "$file" ] || sed --quiet --regexp-extended "$2" "$file"
    done
}

# The language levels that the project files name.
java_level() {
    [ ! -f "$1/pom.xml" ] || sed --quiet --regexp-extended \
        's/.*<(maven\.compiler\.(release|source|target)|java\.version|release|source)>[ \t]*((1\.)?[0-9]+)[ \t]*<.*/\3/p' "$1/pom.xml"
    in_gradle_files "$1" 's/.*(source|target)Compatibility *= *(JavaVersion\.VERSION_|["'\''])?(1[._])?([0-9]+).*/\4/p'
}

# Temurin's JDK or JRE of a major version, into a folder.
fetch_temurin() {
    local major=$1 kind=$2 folder=$3 api arch package archive reason
    api=${ADOPTIUM_API_URL:-https://api.adoptium.net}
    arch=$(uname -m)
    archive=$(mktemp)
    reason=$(bounded_curl "$archive" \
        "$api/v3/assets/latest/$major/hotspot?architecture=${arch/x86_64/x64}&image_type=$kind&os=linux&vendor=eclipse") \
        || no_java "$major" "$api: $reason"
    package=$(jq --raw-output '.[0].binary.package | select(.) | "\(.checksum) \(.link)"' "$archive" 2>/dev/null || true)
    [ -n "$package" ] || no_java "$major" "$api does not have it"
    reason=$(bounded_curl "$archive" "${package#* }") || no_java "$major" "${package#* }: $reason"
    [ "$(sha256sum <"$archive" | cut --delimiter ' ' --fields 1)" = "${package%% *}" ] \
        || no_java "$major" "${package#* } has another checksum than $api says"
    mkdir -p "$folder"
    tar --extract --gzip --file "$archive" --directory "$folder" --strip-components 1
    rm "$archive"
}

# Fetches into a file; prints the reason if it cannot.
bounded_curl() {
    curl --fail --silent --show-error --location --connect-timeout 15 --speed-limit 1000 --speed-time 30 \
        --output "$1" "$2" 2>&1
}

no_java() {
    fail "Java $1 cannot be had: $2" \
        "This can: $DEBIAN_JAVA; write java.runtime.version=$DEBIAN_JAVA to system.properties (others come from Adoptium, when this host reaches it)"
}

# Sets JAVA_HOME to a JDK for the build, and puts the JRE for run time into the app if the run image has none.
use_java() {
    local build=$1 cache=$2 major=$3 jre=$1/.heroku/java/jre kind
    if [ "$major" = "$DEBIAN_JAVA" ]; then
        JAVA_HOME=$(echo /usr/lib/jvm/java-"$DEBIAN_JAVA"-openjdk-*)
    else
        for kind in jdk jre; do
            [ -x "$cache/$kind-$major/bin/java" ] && [ -z "$(find "$cache/$kind-$major" -maxdepth 0 -mtime +30)" ] && continue
            step "Installing Java $major ($kind) of Eclipse Temurin"
            rm -rf "$cache/$kind"-*
            fetch_temurin "$major" "$kind" "$cache/$kind.new"
            mv "$cache/$kind.new" "$cache/$kind-$major"
            touch "$cache/$kind-$major"
        done
        JAVA_HOME=$cache/jdk-$major
        mkdir -p "${jre%/*}"
        cp --archive "$cache/jre-$major" "$jre"
    fi
    export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH
    step "Using Java $major: $("$JAVA_HOME/bin/java" -version 2>&1 | sed -n '1s/"//gp')"
}
