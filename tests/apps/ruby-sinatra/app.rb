require "sinatra/base"

class App < Sinatra::Base
  get "/" do
    content_type "text/plain"
    "Ruby #{RUBY_VERSION}: #{ENV.fetch("GREETING", "hello")}\n"
  end
end
