Gem::Specification.new do |gem|
  gem.name = "sidekiq"
  gem.version = "7.0.0"
  gem.summary = "Stands for the real one"
  gem.authors = ["Slipway"]
  gem.files = []
end
