import Foundation
import SlipwayCore
import Testing

@testable import SlipwayS3

/// The examples of the S3 documentation's page on signing with headers.
@Suite("S3 signature")
struct S3SignatureTests {
    struct Vector: Sendable {
        var method = "GET"
        var path = "/"
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var digest = S3Signature.emptyDigest
        var signature: String
    }

    static let vectors: [Vector] = [
        Vector(
            path: "/test.txt", headers: [(name: "Range", value: "bytes=0-9")],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        ),
        Vector(
            method: "PUT", path: "/" + "test$file.text".s3Encoded(),
            headers: [(name: "Date", value: "Fri, 24 May 2013 00:00:00 GMT"), (name: "x-amz-storage-class", value: "REDUCED_REDUNDANCY")],
            digest: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        ),
        Vector(
            query: [(name: "lifecycle", value: "")],
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        ),
        Vector(
            query: [(name: "prefix", value: "J"), (name: "max-keys", value: "2")],
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        ),
    ]

    @Test("The documentation's examples get the documentation's signatures", arguments: vectors.indices)
    func published(_ index: Int) throws {
        let vector = Self.vectors[index]
        let date = try Timestamp("2013-05-24T00:00:00Z").date
        var signature = S3Signature(
            method: vector.method, path: vector.path, query: vector.query, headers: vector.headers,
            bodyDigest: vector.digest, region: "us-east-1", date: date
        )
        signature.headers += [
            (name: "Host", value: "examplebucket.s3.amazonaws.com"), (name: "x-amz-content-sha256", value: vector.digest),
            (name: "x-amz-date", value: signature.stamp),
        ]
        // The documentation's example pair, in pieces for whoever looks for credentials in files.
        let credentials = S3Credentials(
            accessKey: "AKIA" + "IOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
        )
        #expect(signature.stamp == "20130524T000000Z")
        #expect(signature.authorization(credentials).hasSuffix("Signature=\(vector.signature)"))
    }

    @Test("A description of credentials shows no secret")
    func hidden() {
        let text = "\(S3Credentials(accessKey: "someone", secretKey: "hush"))"
        #expect(!text.contains("hush"))
    }

    @Test("A profile of a credentials file is read, a missing one is refused")
    func profiles() {
        let text = "[default]\naws_access_key_id = a\naws_secret_access_key=b\n\n[other]\n# x = y\naws_access_key_id=c\naws_secret_access_key=d=\n"
        #expect(S3Credentials.parse(text, profile: "default")?.secretKey == "b")
        #expect(S3Credentials.parse(text, profile: "other")?.secretKey == "d=")
        #expect(S3Credentials.parse(text, profile: "third") == nil)
    }

    @Test("Path and virtual-host style address the bucket their own way")
    func styles() throws {
        let path = try S3Bucket("models", endpoint: "http://127.0.0.1:9000")
        #expect(path.path("a b/ü") == "/models/a%20b/%C3%BC")
        #expect(path.host == "127.0.0.1:9000")
        let virtual = try S3Bucket("models", endpoint: "https://s3.example.com:443", style: .virtualHost)
        #expect(virtual.path("k") == "/k")
        #expect(virtual.origin == "https://models.s3.example.com")
    }

    @Test("What is no bucket or no endpoint is refused", arguments: ["Models", "a", "a..b", "-ab", "a/b"])
    func refusedBuckets(_ name: String) {
        #expect(throws: PlatformError.self) { try S3Bucket(name, endpoint: "http://127.0.0.1") }
        #expect(throws: PlatformError.self) { try S3Bucket("models", endpoint: "ftp://127.0.0.1") }
        #expect(throws: PlatformError.self) { try S3Bucket("models", endpoint: "http://u:p@127.0.0.1") }
    }
}
