# The vendored nio4r is the one of Debian without its native part.
ENV["NIO4R_PURE"] = "true"

threads 1, Integer(ENV.fetch("RAILS_MAX_THREADS", "5"))
