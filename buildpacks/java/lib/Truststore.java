import java.io.ByteArrayInputStream;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/** Makes a truststore (the second argument) of all certificates of a PEM file (the first). keytool takes one at a time. */
public class Truststore {
    private static final String BEGIN = "-----BEGIN CERTIFICATE-----";
    private static final String END = "-----END CERTIFICATE-----";

    public static void main(String[] arguments) throws Exception {
        String pem = new String(Files.readAllBytes(Paths.get(arguments[0])), StandardCharsets.ISO_8859_1);
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        for (int begin = pem.indexOf(BEGIN); begin >= 0; begin = pem.indexOf(BEGIN, begin + 1)) {
            byte[] block = pem.substring(begin, pem.indexOf(END, begin) + END.length()).getBytes(StandardCharsets.ISO_8859_1);
            Certificate certificate = factory.generateCertificate(new ByteArrayInputStream(block));
            store.setCertificateEntry("certificate" + store.size(), certificate);
        }
        try (OutputStream out = new FileOutputStream(arguments[1])) {
            store.store(out, "changeit".toCharArray());
        }
    }
}
