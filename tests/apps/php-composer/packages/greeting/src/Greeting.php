<?php

namespace Slipway\Greeting;

class Greeting
{
    public static function of(string $language): string
    {
        return $language . ': ' . (getenv('GREETING') ?: 'hello');
    }
}
