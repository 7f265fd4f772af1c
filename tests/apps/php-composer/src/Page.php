<?php

namespace App;

use Slipway\Greeting\Greeting;

class Page
{
    public static function show(string $path): string
    {
        return match ($path) {
            '/' => Greeting::of('PHP ' . PHP_VERSION),
            default => "PHP was asked for $path",
        };
    }
}
