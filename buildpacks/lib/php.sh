# What the parts of the buildpack for PHP need to know of a source. To be sourced.
# shellcheck shell=bash

# Extensions that Debian's php8.2-cli and php8.2-fpm hold themselves, or their package of common ones.
# shellcheck disable=SC2034 # bin/compile names them
PHP_BUILTIN=(calendar core ctype date exif ffi fileinfo filter ftp gettext hash iconv json libxml openssl pcntl pcre pdo
    phar posix random readline reflection session shmop sockets sodium spl standard sysvmsg sysvsem sysvshm tokenizer
    zend-opcache zlib)
# Those that are in a package of their own name: php8.2-NAME.
PHP_PACKAGED=(amqp apcu ast bcmath bz2 curl dba ds enchant gd gearman gmagick gmp gnupg igbinary imagick imap intl ldap
    mailparse maxminddb mbstring mcrypt memcache memcached mongodb msgpack mysql oauth odbc pcov pgsql pspell psr redis rrd
    snmp soap solr sqlite3 ssh2 stomp tidy uopz uploadprogress uuid xdebug xml xmlrpc yac yaml zip zmq)

# The Debian package of an extension, without "php8.2-"; nothing if it needs none or there is none.
php_package() {
    case $1 in
        dom | simplexml | xmlreader | xmlwriter | xsl) echo xml ;;
        mysqli | mysqlnd | pdo_mysql) echo mysql ;;
        pdo_pgsql) echo pgsql ;;
        pdo_sqlite) echo sqlite3 ;;
        pdo_odbc) echo odbc ;;
        pdo_dblib) echo sybase ;;
        pdo_firebird) echo interbase ;;
        *) printf '%s\n' "${PHP_PACKAGED[@]}" | grep --line-regexp --fixed-strings -- "$1" || true ;;
    esac
}

# The extensions that composer.json and its lock file ask for, a line each, without "ext-".
php_extensions() {
    local directory=$1 manifest=$2 file
    for file in "$directory/$manifest" "$directory/${manifest%.json}.lock"; do
        [ ! -f "$file" ] || jq --raw-output '
            [(.require, .platform, (.packages // [] | .[].require)) | objects | keys[]]
            | unique[] | select(startswith("ext-")) | ltrimstr("ext-") | ascii_downcase
        ' "$file" 2>/dev/null || true
    done | sort --unique
}

# Where the files are that the web server gives: the first of these with an index.php, "." for the source itself.
php_web_root() {
    local root
    for root in public web .; do
        if [ -f "$1/$root/index.php" ]; then
            echo "$root"
            return
        fi
    done
}

# The start script for a source that does not choose one. Only Apache heeds an .htaccess.
php_web_server() {
    if [ -f "$1/$(php_web_root "$1")/.htaccess" ]; then echo heroku-php-apache2; else echo heroku-php-nginx; fi
}
