"""Writes tiny.gguf: a llama of two layers with random weights, whose tokens are bytes. It says noise, at 0.5 MB."""

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128
TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}<tool_call>{{ call['function'] | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

random = np.random.default_rng(7)
kind = gguf.TokenType
tokens = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
tokens += [("<|im_start|>", kind.CONTROL), ("<|im_end|>", kind.CONTROL)]
tokens += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)] + [("\u2581", kind.NORMAL)]
END = 4

writer = gguf.GGUFWriter("tiny.gguf", "llama")
writer.add_context_length(8192)
writer.add_embedding_length(WIDTH)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(INNER)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_dimension_count(WIDTH // HEADS)
writer.add_vocab_size(len(tokens))
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
writer.add_tokenizer_model("llama")
writer.add_token_list([text for text, _ in tokens])
writer.add_token_scores([0.0] * len(tokens))
writer.add_token_types([int(of) for _, of in tokens])
writer.add_bos_token_id(1)
writer.add_eos_token_id(END)
writer.add_unk_token_id(0)
writer.add_add_bos_token(False)
writer.add_add_space_prefix(False)
writer.add_chat_template(TEMPLATE)


def weights(name, *shape):
    writer.add_tensor(name, (random.standard_normal(shape) * 0.3).astype(np.float32))


def ones(name):
    writer.add_tensor(name, np.ones(WIDTH, np.float32))


weights("token_embd.weight", len(tokens), WIDTH)
weights("output.weight", len(tokens), WIDTH)
ones("output_norm.weight")
for layer in range(LAYERS):
    part = f"blk.{layer}."
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights(f"{part}{name}.weight", WIDTH, WIDTH)
    weights(f"{part}ffn_gate.weight", INNER, WIDTH)
    weights(f"{part}ffn_up.weight", INNER, WIDTH)
    weights(f"{part}ffn_down.weight", WIDTH, INNER)
    ones(f"{part}attn_norm.weight")
    ones(f"{part}ffn_norm.weight")
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
