"""A Llama of a few weights and its tokenizer, for tests of what trains language models."""

WORDS = ["<pad>", "<unk>", "<eos>", "a", "cat", "dog", "sees", "the", "runs", "and", "sleeps"]


def llama():
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
    )
    return transformers.LlamaForCausalLM(config)


def word_tokenizer():
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>"
    )


def sentences(rows, length):
    """Rows of words drawn at random, the same ones every time."""
    import torch

    draws = torch.randint(
        3, len(WORDS), (rows, length), generator=torch.Generator().manual_seed(0)
    )
    return [" ".join(WORDS[index] for index in row) for row in draws]
