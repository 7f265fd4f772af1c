# Finds what the build made that can be run. To be sourced.
# shellcheck shell=bash

# What a jar says of itself.
manifest() {
    unzip -p "$1" META-INF/MANIFEST.MF 2>/dev/null | tr --delete '\r'
}

# The jars with a main class in the folders where Maven and Gradle leave them, a line each, below the folder BUILD.
runnable_jars() {
    local jar
    cd "$1" || return
    for jar in target/quarkus-app/quarkus-run.jar build/quarkus-app/quarkus-run.jar; do
        [ ! -f "$jar" ] || { echo "$jar" && return; }
    done
    for jar in target/*.jar build/libs/*.jar */target/*.jar */build/libs/*.jar; do
        case $jar in
            *-sources.jar | *-javadoc.jar | *-tests.jar | *-plain.jar | */original-*.jar | *'*'*) ;;
            *) if grep --quiet '^Main-Class:' <<<"$(manifest "$jar")"; then echo "$jar"; fi ;;
        esac
    done
}

# The start scripts of Gradle's application plugin.
start_scripts() {
    local script
    for script in "$1"/build/install/*/bin/* "$1"/*/build/install/*/bin/*; do
        [[ $script == *.bat ]] || [ ! -f "$script" ] || echo "${script#"$1/"}"
    done
}

# The command that starts the only thing that can be started; nothing if there is none or there are several.
start_command() {
    local found
    found=$(start_scripts "$1")
    if [ -n "$found" ]; then
        [ "$(wc -l <<<"$found")" != 1 ] || echo "$found"
        return
    fi
    found=$(runnable_jars "$1")
    [ -n "$found" ] && [ "$(wc -l <<<"$found")" = 1 ] || return 0
    case $(manifest "$1/$found") in
        *Spring-Boot-Version:*) echo "java -Dserver.port=\$PORT \$JAVA_OPTS -jar $found" ;;
        *quarkus*) echo "java -Dquarkus.http.port=\$PORT \$JAVA_OPTS -jar $found" ;;
        *) echo "java \$JAVA_OPTS -jar $found" ;;
    esac
}
