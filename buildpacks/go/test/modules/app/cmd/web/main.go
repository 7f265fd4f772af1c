package main

import "example.com/greet"

func main() {
	println("web", greet.Word)
}
