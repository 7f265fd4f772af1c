# A web server in the Perl that every Debian has: answers one friendly line to any request.
use strict;
use warnings;
use IO::Socket::INET;

my $port = $ENV{PORT} || 5000;
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 128, ReuseAddr => 1)
    or die "cannot listen on port $port: $@\n";
local $SIG{TERM} = sub { exit 0 };
local $SIG{PIPE} = 'IGNORE';
local $SIG{CHLD} = 'IGNORE';
local $| = 1;
print "listening on port $port\n";

my $instance = $ENV{DYNO} || 'an instance without a name';
my $body = "Hello from Slipway! This is $instance.\n";
my $answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
    . 'Content-Length: ' . length($body) . "\r\nConnection: close\r\n\r\n";

while (1) {
    my $client = $server->accept() or next;
    # A process for each request, so that a client that sends nothing stops nobody else.
    my $child = fork();
    if (defined $child && $child == 0) {
        serve($client);
        exit 0;
    }
    close $client;
}

sub serve {
    my ($client) = @_;
    alarm 30;
    my $request = <$client> // return;
    while (defined(my $header = <$client>)) {
        last if $header =~ /^\r?\n$/;
    }
    my $has_body = $request !~ /^HEAD /;
    print {$client} $answer . ($has_body ? $body : '');
    $request =~ s/\s+$//;
    print "$request\n";
    return;
}
