fn main() {
    nonsense();
}
