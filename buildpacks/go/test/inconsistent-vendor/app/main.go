package main

import "example.com/greet"

var version = "none"

func main() {
	println(version, greet.Word)
}
