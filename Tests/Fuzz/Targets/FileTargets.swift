import SlipwayCore
import SlipwayPipeline
import SlipwayProof
import SlipwayRelease

extension FuzzTarget {
    private static let yamlWords = [
        "apiVersion: slipway.dev/v1\n", "kind: ", "metadata: ", "spec:\n", "  ", "\n", ": ", "- ", "{ ", " }", "[", "]", "\"", "'", "|\n", "&a ", "*a", "<<: *a", "!!int ",
        "variants:", "version: 1", "weight: 50", "weight: 33.33", "lastGood: 1", "name: ", "~", "0x1F", "1e3", "---\n", "# ",
    ]

    /// A release that is read is written as a text that is read as the same release.
    static let release = FuzzTarget(
        name: "release",
        seeds: [
            "apiVersion: slipway.dev/v1\nkind: Release\nmetadata: { name: tumor }\nspec:\n  variants:\n    A: { version: 3, weight: 90 }\n    B: { version: 4, weight: 10 }\n  lastGood: 3\n",
            "apiVersion: slipway.dev/v1\nkind: Release\nmetadata:\n  name: tumor\nspec:\n  variants:\n    \"no\": {version: 1, weight: 100}\n",
            "a: &a [*a]", "a: 1\na: 2\n", "? [a]\n: b\n", "a: !!binary x\n",
        ],
        words: yamlWords
    ) { input in
        try verdict([.invalidArgument, .exhausted]) {
            let release = try ReleaseFile.parse(String(decoding: input, as: UTF8.self), path: "envs/dev/models/tumor.yaml")
            let text = ReleaseFile.text(release)
            let again = try mustHold("a release of ours is read: \(text)") { try ReleaseFile.parse(text, path: "envs/dev/models/tumor.yaml") }
            try expect(again == release && ReleaseFile.text(again) == text, "another release was read back: \(text)")
        }
    }

    static let pipeline = FuzzTarget(
        name: "pipeline",
        seeds: [
            "apiVersion: slipway.dev/v1\nkind: Pipeline\nmetadata: { name: m }\nspec:\n  steps:\n    train: { command: [sh] }\n  gates:\n    smoke: { data: g.json }\n",
            "apiVersion: slipway.dev/v1\nkind: Pipeline\nmetadata: { name: m }\nspec:\n  steps:\n    train: { command: [sh], timeout: 5m, retries: 2 }\n  gates:\n    drift: { data: t.csv, maxStatistic: 0.35, onFail: refuse }\n    evaluate: { data: h.csv, label: y, output: p, bounds: { auc: { min: 0.9 } } }\n    smoke: { data: g.json, latencyMax: 250ms }\n  rollout:\n    weights: [10, 50, 100]\n    observe: { window: 2s, minRequests: 40, timeout: 60s, maxErrorRate: 0.01, onInconclusive: hold }\n  notify: { required: true, limit: 1h }\n",
            "apiVersion: slipway.dev/v1\nkind: Pipeline\nmetadata: { name: tumor }\nspec:\n  model: tumor\n  steps:\n    train: { command: [python, train.py], timeout: 5m }\n",
            "apiVersion: slipway.dev/v1\nkind: Pipeline\nmetadata: { name: a }\nspec:\n  model: a\n  train: { command: \"x\", timeout: 1h30m, retries: 2 }\n  rollout: { weights: [10, 50, 100] }\n",
        ],
        words: yamlWords + ["command: ", "timeout: ", "steps:", "train:", "retries: ", "rollout:", "observe:", "evaluate:", "drift_gate:", "until: ", "10m", "bounds:"]
    ) { input in
        try verdict([.invalidArgument, .exhausted]) { _ = try PipelineSpec(yaml: String(decoding: input, as: UTF8.self)) }
    }

    static let platformFile = FuzzTarget(
        name: "platform-file",
        seeds: ["apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: { name: dev }\nspec:\n  registry:\n    protectedAliases: [champion, A]\n", "spec: {}"],
        words: yamlWords + ["protectedAliases: [", "kind: Platform", "registry:"]
    ) { input in
        try verdict([.invalidArgument, .exhausted]) { _ = try PlatformFile.parse(String(decoding: input, as: UTF8.self), environment: try EnvironmentName("dev")) }
    }

    static let csv = FuzzTarget(
        name: "csv",
        seeds: ["a,b\n1,x\n2,\"y\"\"z\"\n", "a\n\n1e3\nnan\n", "\"a\nb\",c\r\n1,2\r\n", "a,a\n1,2\n"],
        words: ["\"", "\"\"", ",", "\r\n", "\n", "NaN", "1e400"]
    ) { input in
        try verdict([.invalidArgument, .exhausted]) {
            let table = try CSVTable(csv: input, name: "data.csv")
            let profile = Profile(of: table)
            let bytes = try mustHold("a profile is written") { try profile.json() }
            let again = try mustHold("a profile of ours is read") { try Profile(json: bytes) }
            try expect(try again.json() == bytes, "another profile was read back")
        }
    }

    /// An envelope is taken only as the very bytes that we would write.
    static let envelope = FuzzTarget(
        name: "envelope",
        seeds: [
            #"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"k","sig":"AAAA"}]}"#,
            #"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}"#,
        ],
        words: ["\"payload\":\"", "\"signatures\":[", "\"keyid\":\"", "\"sig\":\"", "==", "="]
    ) { input in
        try verdict([.corrupt]) {
            let envelope = try Envelope(parsing: input)
            try expect(envelope.bytes == input, "an envelope was taken that we would write another way")
        }
    }
}
