// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAuctionLedger} from "../../src/interfaces/IAuctionLedger.sol";
import {AuctionOrder} from "../../src/types/AuctionOrder.sol";
import {Fill} from "../../src/types/Fill.sol";

/// @title A ledger of balances with nothing but what an auction needs
/// @notice Whatever would leave somebody with less than nothing reverts. A trader's money is one word, `money (128 bits) |
/// held (128)`, and its claims in a period another, `quotaWh (64) | heldWh (64) | soldWh (64) | boughtWh (64)`.
contract AuctionLedger is IAuctionLedger {
    error NotYours(address caller, uint32 trader);
    error TooLittle(uint32 trader);
    error NotTheAuction(address caller);

    address public auction;
    mapping(uint32 trader => address) public owners;
    mapping(uint32 trader => uint256) private _moneys;
    mapping(uint256 traderAndPeriod => uint256) private _claims;

    function trust(address auction_) external {
        auction = auction_;
    }

    function open(uint32 trader, address owner, uint128 money_) external {
        (owners[trader], _moneys[trader]) = (owner, uint256(money_) << 128);
    }

    function grant(uint32 trader, uint24 period, uint64 quotaWh) external {
        _claims[_key(trader, period)] += uint256(quotaWh) << 192;
    }

    function hold(address caller, uint32 trader, uint24 period, bool sells, uint256 energyWh, int256 priceTicks)
        external
    {
        _requireAuction();
        if (!mayTrade(caller, trader)) revert NotYours(caller, trader);
        (uint256 money_, uint256 held) = money(trader);
        held += _worst(sells, energyWh, priceTicks);
        if (money_ < held) revert TooLittle(trader);
        _moneys[trader] = money_ << 128 | held;
        if (!sells) return;
        (uint256 quotaWh, uint256 heldWh, uint256 soldWh,) = claims(trader, period);
        if (heldWh + energyWh + soldWh > quotaWh) revert TooLittle(trader);
        _claims[_key(trader, period)] += energyWh << 128;
    }

    function settle(uint24 period, bool sells, int24 priceTicks, Fill[] calldata fills) external {
        _requireAuction();
        for (uint256 i; i < fills.length; ++i) {
            AuctionOrder order = fills[i].order();
            uint256 tradedWh = fills[i].tradedWh();
            _pay(order, sells, int256(tradedWh) * priceTicks);
            uint256 key = _key(order.trader(), period);
            uint256 word = _claims[key];
            if (sells) {
                if (uint64(word >> 128) < order.energyWh()) revert TooLittle(order.trader());
                _claims[key] = word - (uint256(order.energyWh()) << 128) + (tradedWh << 64);
            } else if (tradedWh != 0) {
                _claims[key] = word + tradedWh;
            }
        }
    }

    function mayTrade(address caller, uint32 trader) public view returns (bool) {
        return owners[trader] == caller;
    }

    function money(uint32 trader) public view returns (uint256 money_, uint256 held) {
        uint256 word = _moneys[trader];
        return (word >> 128, uint128(word));
    }

    function claims(uint32 trader, uint24 period)
        public
        view
        returns (uint256 quotaWh, uint256 heldWh, uint256 soldWh, uint256 boughtWh)
    {
        uint256 word = _claims[_key(trader, period)];
        return (word >> 192, uint64(word >> 128), uint64(word >> 64), uint64(word));
    }

    function _pay(AuctionOrder order, bool sells, int256 value) private {
        uint32 trader = order.trader();
        uint256 word = _moneys[trader];
        uint256 held = uint128(word) - _worst(sells, order.energyWh(), order.priceTicks());
        int256 left = int256(word >> 128) + (sells ? value : -value);
        if (left < int256(held)) revert TooLittle(trader);
        _moneys[trader] = uint256(left) << 128 | held;
    }

    /// @dev What an order costs at worst: a buyer at its limit, a seller at its limit where that is negative.
    function _worst(bool sells, uint256 energyWh, int256 priceTicks) private pure returns (uint256) {
        int256 each = sells ? -priceTicks : priceTicks;
        return each > 0 ? energyWh * uint256(each) : 0;
    }

    function _key(uint32 trader, uint24 period) private pure returns (uint256) {
        return uint256(trader) << 24 | period;
    }

    function _requireAuction() private view {
        if (msg.sender != auction) revert NotTheAuction(msg.sender);
    }
}
