use super::*;

#[test]
fn what_people_point_at_is_named() {
    let mut tar = vec![b'x'; 300];
    tar[257..262].copy_from_slice(b"ustar");
    let mut pickled = b"PK\x03\x04".to_vec();
    pickled.resize(30, 0);
    pickled[26] = 16;
    pickled.extend_from_slice(b"archive/data.pklmore");
    let mut safetensors = 300u64.to_le_bytes().to_vec();
    safetensors.extend_from_slice(b"{\"__metadata__\"");
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4108916688\n";
    let ollama = br#"{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.model"}]}"#;
    let cases: [(&[u8], [&str; 3]); 20] = [
        (lfs, ["Git LFS pointer", "4108916688 bytes", "git lfs pull"]),
        (b"\n<!DOCTYPE html><html>", ["a web page", "download the file itself", "resolve"]),
        (b"<html lang=\"en\">", ["a web page", "download", "file"]),
        (b"{\"error\":\"Invalid username\"}", ["JSON", "{\"error\":\"Invalid username\"}", "folder"]),
        (ollama, ["a manifest of Ollama", "image.model", "blobs"]),
        (b"Entry not found", ["a text", "`Entry not found`", "server"]),
        (b"PK\x03\x04 a zip", ["a zip archive", "unpack", "model"]),
        (&pickled, ["pickled weights", "safetensors", "save_pretrained"]),
        (b"\x80\x02\x8a\x0al\xfc\x9cF", ["pickled weights", "safetensors", "save_pretrained"]),
        (b"%PDF-1.7\n%\xe2\xe3", ["a PDF document", "--prompt-file", "--model"]),
        (b"lmgg\x20\x7d\0\0", ["before GGUF", "ggjt", "convert_llama_ggml_to_gguf.py"]),
        (b"tjgg\x03\0\0\0", ["before GGUF", "ggjt", "fetch the model as GGUF"]),
        (b"algg\x01\0\0\0", ["an adapter (LoRA)", "before GGUF", "merge"]),
        (b"FUGG\0\0\0\x03", ["big-endian", "gguf-convert-endian", "gguf"]),
        (&tar, ["a tar archive", "unpack", "model"]),
        (b"\x1f\x8b\x08\0", ["a compressed file", "unpack", "model"]),
        (&safetensors, ["a safetensors file alone", "folder", "config.json"]),
        (&[0; 100], ["zeros", "a download", "again"]),
        (b"MZqFpD='", ["a llamafile", "unzip", ".gguf"]),
        (b"\x00\x01\x02\x03\xff\xfe", ["something else", "", ""]),
    ];
    for (bytes, parts) in cases {
        let found = in_place_of_gguf(bytes);
        for part in parts {
            assert!(found.contains(part), "`{part}` is not in: {found}");
        }
    }
}

#[test]
fn nothing_is_read_beyond_the_end_and_texts_are_short() {
    for bytes in [&b""[..], b"P", b"PK\x03\x04", b"\x80", b"{", b"\xef\xbb\xbf", b"\xc3"] {
        in_place_of_gguf(bytes);
    }
    let long = in_place_of_gguf("é\u{1b}".repeat(5000).as_bytes());
    assert_eq!(long, "something else");
    let long = in_place_of_gguf("é\n".repeat(5000).as_bytes());
    assert!(long.len() < 300 && !long.contains('\n'), "{long}");
}

#[test]
fn pieces_are_known_by_their_names() {
    for name in ["m.gguf.part2of3", "m.Q6_K.gguf-split-b", "m.gguf.002", "m.gguf.part-ab", "m.gguf.ab"] {
        let found = piece_of_a_file(name).unwrap();
        assert!(found.contains("cat m") && found.contains("join"), "{found}");
    }
    for name in ["m.gguf", "m-00001-of-00002.gguf", "m.gguf.incomplete", "part1", "m.gguf.md"] {
        assert_eq!(piece_of_a_file(name), None, "{name}");
    }
}
