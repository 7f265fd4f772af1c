<?php

require __DIR__ . '/../vendor/autoload.php';

header('Content-Type: text/plain');
echo App\Page::show(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)), "\n";
