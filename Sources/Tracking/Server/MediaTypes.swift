import Foundation

/// Media types of the files that models are made of.
///
/// What a person reads is `text/plain`, as MLflow's UI expects; what is not known is bytes.
enum MediaTypes {
    static func type(of name: String) -> String {
        if name == "MLmodel" || name == "MLproject" { return "text/plain" }
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return unknown }
        let ending = name[name.index(after: dot)...].lowercased()
        return text.contains(ending) ? "text/plain" : others[ending] ?? unknown
    }

    private static let unknown = "application/octet-stream"

    private static let text: Set<String> = [
        "txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon", "toml", "yaml", "yml", "xml", "json", "js",
        "py", "py3", "csv", "tsv", "md", "rst", "ipynb", "mlmodel", "mlproject", "sh", "jsonl", "ndjson", "pbtxt", "sql",
    ]

    private static let others: [String: String] = [
        "html": "text/html", "htm": "text/html", "css": "text/css",
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml", "webp": "image/webp",
        "bmp": "image/bmp", "ico": "image/vnd.microsoft.icon", "tif": "image/tiff", "tiff": "image/tiff",
        "pdf": "application/pdf", "zip": "application/zip", "tar": "application/x-tar", "whl": unknown, "wasm": "application/wasm",
        "mp3": "audio/mpeg", "wav": "audio/x-wav", "mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime",
        "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
        // Without a registered type: what models and tables are stored in.
        "onnx": unknown, "pt": unknown, "pth": unknown, "pkl": unknown, "joblib": unknown, "npy": unknown, "npz": unknown,
        "safetensors": unknown, "parquet": unknown, "bin": unknown, "ckpt": unknown, "gguf": unknown, "keras": unknown,
        "h5": "application/x-hdf5",
    ]
}

/// `Content-Disposition` values, by RFC 6266.
///
/// Always an attachment: shown in place, a file could run scripts as this server.
enum ContentDisposition {
    static func attachment(_ name: String) -> String {
        guard !name.utf8.allSatisfy({ $0 < 0x80 }) else { return "attachment; filename=\(quoted(name))" }
        let plain = name.decomposedStringWithCompatibilityMapping.unicodeScalars.filter(\.isASCII)
        let fallback = plain.isEmpty ? "download" : String(String.UnicodeScalarView(plain))
        var encoded = ""
        for byte in name.utf8 { encoded += isAttributeByte(byte) ? String(UnicodeScalar(byte)) : "%" + hex(byte) }
        return "attachment; filename=\(quoted(fallback)); filename*=UTF-8''\(encoded)"
    }

    private static func quoted(_ text: String) -> String {
        let isToken = text.utf8.allSatisfy { isAttributeByte($0) || "%'*".utf8.contains($0) }
        guard !isToken else { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private static func isAttributeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$&+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16, uppercase: true)
        return text.utf8.count == 1 ? "0" + text : text
    }
}
