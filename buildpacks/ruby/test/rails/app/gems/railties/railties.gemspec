Gem::Specification.new do |gem|
  gem.name = "railties"
  gem.version = "7.1.0"
  gem.summary = "Stands for the real one"
  gem.authors = ["Slipway"]
  gem.files = []
end
