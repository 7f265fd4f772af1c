<?php

function hello(): string
{
    return "hello " . bcadd("1", "2");
}
