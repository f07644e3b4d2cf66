import SlipwayCore
import SlipwayS3
import Testing

@Suite("A place in a bucket")
struct S3PlaceTests {
    @Test("A bucket with or without a prefix", arguments: [
        ("s3://mlflow", ""), ("s3://mlflow/", ""), ("s3://mlflow/artifacts", "artifacts"), ("s3://mlflow/a/b/", "a/b"),
    ])
    func places(url: String, prefix: String) throws {
        let place = try S3Place(url, environment: ["AWS_ENDPOINT_URL": "http://127.0.0.1:9000"])
        #expect(place.bucket == (try S3Bucket("mlflow", endpoint: "http://127.0.0.1:9000")))
        #expect(place.prefix == prefix)
    }

    @Test("As Triton writes it, with the host in it", arguments: [
        ("s3://127.0.0.1:9000/mlflow/a", "http://127.0.0.1:9000"), ("s3://https://minio:9000/mlflow/a/", "https://minio:9000"), ("s3://http://minio/mlflow/a", "http://minio"),
    ])
    func hosts(url: String, endpoint: String) throws {
        let place = try S3Place(url, environment: ["AWS_ENDPOINT_URL": "http://elsewhere:1"])
        #expect(place.bucket == (try S3Bucket("mlflow", endpoint: endpoint)))
        #expect(place.prefix == "a")
    }

    @Test("What is none says how to write one", arguments: ["mlflow", "s3:/mlflow", "s3://", "s3:///a", "s3://mlflow//a", "s3://mlflow/../a", "http://mlflow/a", "s3://host:9000", "s3://https://host"])
    func refused(url: String) {
        let error = #expect(throws: PlatformError.self) { try S3Place(url, environment: [:]) }
        #expect(error?.code == .invalidArgument && error?.remedy?.contains("s3://bucket/prefix") == true)
    }

    @Test("The environment says where it is, as for other clients of S3")
    func environment() throws {
        let amazon = try S3Place("s3://mlflow", environment: ["AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL": ""])
        #expect(amazon.bucket == (try S3Bucket("mlflow", endpoint: "https://s3.eu-north-1.amazonaws.com", region: "eu-north-1")))
        let own = ["AWS_ENDPOINT_URL_S3": "http://a:1", "AWS_ENDPOINT_URL": "http://b:2", "MLFLOW_S3_ENDPOINT_URL": "http://c:3"]
        for (gone, expected) in [("", "http://a:1"), ("AWS_ENDPOINT_URL_S3", "http://b:2"), ("AWS_ENDPOINT_URL", "http://c:3")] {
            var left = own
            left["AWS_ENDPOINT_URL_S3"] = gone.isEmpty ? "http://a:1" : nil
            if gone == "AWS_ENDPOINT_URL" { left["AWS_ENDPOINT_URL"] = nil }
            #expect(try S3Place("s3://mlflow", environment: left).bucket == (try S3Bucket("mlflow", endpoint: expected)))
        }
    }
}
