/** After so long without a word, a reader wonders whether the command still works. */
export const SILENCE_MS = 5_000;

/** Says once what is being done, when that takes long: for output that cannot be rewritten. */
export interface SignOfLife {
  begin(text: string): void;
  end(): void;
}

export function createSignOfLife(print: (text: string) => void, afterMs = SILENCE_MS): SignOfLife {
  let timer: NodeJS.Timeout | undefined;
  const end = () => clearTimeout(timer);
  return {
    begin: (text) => {
      end();
      timer = setTimeout(() => print(text), afterMs).unref();
    },
    end,
  };
}
