package main

func main() {
	println("future")
}
