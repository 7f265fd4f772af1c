package web;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A small web service: says its language, and a greeting that the config var GREETING gives. */
public class Main {
    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
        server.createContext("/", Main::greet);
        server.start();
        System.out.println("listening on " + port);
    }

    private static void greet(HttpExchange exchange) throws IOException {
        String greeting = System.getenv().getOrDefault("GREETING", "");
        byte[] body = ("Java says " + greeting + "\n").getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
