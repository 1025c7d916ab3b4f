/** The package has no types of its own. */
declare module "asl-validator" {
  interface Validation {
    readonly isValid: boolean;
    errorsText(separator: string): string;
  }
  /** @param definition is written to */
  export default function validate(definition: object): Validation;
}
