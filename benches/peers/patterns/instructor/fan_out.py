import asyncio
import sys

import litellm

url, model, text = sys.argv[1:]
room = asyncio.Semaphore(3)


async def ask(part: str) -> str:
    async with room:
        reply = await litellm.acompletion(
            f"openai/{model}",
            [{"role": "user", "content": part}],
            api_base=url,
            api_key="none",
            timeout=10.0,
            num_retries=2,
        )
    return reply.choices[0].message.content


async def main() -> None:
    for each in await asyncio.gather(*map(ask, text.split("|")), return_exceptions=True):
        print(type(each).__name__ if isinstance(each, BaseException) else each)


asyncio.run(main())
