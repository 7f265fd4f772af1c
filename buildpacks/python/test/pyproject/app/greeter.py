def main():
    print("Hello from pyproject")
