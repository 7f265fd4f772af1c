public class Main {
    public static void main(String[] arguments) {
        System.out.println("greetings from Java " + System.getProperty("java.specification.version"));
    }
}
