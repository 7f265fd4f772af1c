import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def root():
    return f"Python with Flask: {os.environ.get('GREETING', 'hello')}\n"
