// Package greet greets.
package greet

// Word is what it says.
const Word = "greetings"
