#!/usr/bin/env bash
# Generates Sources/Inference/Messages/*.pb.swift from the .proto files beside them.
# Run it after a change of a .proto file, and commit what it writes.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || apt-get install -y --no-install-recommends protobuf-compiler
# The generator of the version that Package.swift names, built apart so that the product never needs it.
version=$(sed -nE 's|.*apple/swift-protobuf.git", exact: "([^"]+)".*|\1|p' Package.swift)
work=.build-messages
mkdir -p "$work/Sources/anchor"
touch "$work/Sources/anchor/anchor.swift"
cat >"$work/Package.swift" <<SWIFT
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "messages",
    dependencies: [.package(url: "https://github.com/apple/swift-protobuf.git", exact: "$version")],
    targets: [.target(name: "anchor", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")])]
)
SWIFT
swift build --package-path "$work" --product protoc-gen-swift
messages=Sources/Inference/Messages
protoc --plugin="$work/.build/debug/protoc-gen-swift" \
  --proto_path="$messages" --swift_out="$messages" --swift_opt=Visibility=Public \
  --swift_opt=UseAccessLevelOnImports=true \
  "$messages"/*.proto
