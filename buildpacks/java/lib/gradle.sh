# Builds with Gradle's wrapper. To be sourced by bin/compile.
# shellcheck shell=bash disable=SC2154 # BUILD, CACHE, LOG and TRUST_AND_PROXY are bin/compile's.

# What to ask Gradle for: what the app says, a task named stage, a start script of the application plugin, or jars.
gradle_task() {
    local files=(build.gradle build.gradle.kts app/build.gradle app/build.gradle.kts)
    if [ -n "${GRADLE_TASK-}" ]; then
        echo "$GRADLE_TASK"
    elif grep --quiet --no-messages --extended-regexp "task[ (:]+['\"]?stage|register(<[A-Za-z]+>)?\(['\"]stage|create\(['\"]stage" "${files[@]}"; then
        echo stage
    elif grep --quiet --no-messages --extended-regexp 'org\.springframework\.boot|io\.quarkus|shadow' "${files[@]}"; then
        echo "build -x check"
    elif grep --quiet --no-messages --extended-regexp "^[ \t]*(id[ (]*['\"]application['\"]|application$|application *\{|apply plugin: *['\"]application)" "${files[@]}"; then
        echo installDist
    else
        echo assemble
    fi
}

run_gradle() {
    local begun=$EPOCHREALTIME task properties=gradle/wrapper/gradle-wrapper.properties
    if [ ! -f gradlew ] || [ ! -f "$properties" ] || [ ! -f gradle/wrapper/gradle-wrapper.jar ]; then
        fail "Gradle's wrapper is missing: gradlew, $properties and gradle-wrapper.jar beside it" \
            "Run gradle wrapper and commit what it makes (check .gitignore)"
    fi
    export GRADLE_USER_HOME=$CACHE/gradle
    export GRADLE_OPTS="${GRADLE_OPTS-} $TRUST_AND_PROXY -Dorg.gradle.internal.repository.max.retries=1"
    GRADLE_OPTS+=" -Dorg.gradle.internal.http.connectionTimeout=15000 -Dorg.gradle.internal.http.socketTimeout=30000"
    check_wrapper "$properties" "$GRADLE_USER_HOME/wrapper/dists"
    chmod +x gradlew
    task=$(gradle_task)
    step "Building: ./gradlew $task"
    # shellcheck disable=SC2086 # Several words.
    logged "$LOG" ./gradlew --no-daemon --console plain --build-cache --project-cache-dir "$CACHE/project" $task \
        || explain "$1" "./gradlew $task"
    detail "done in $(seconds_since "$begun")"
}
